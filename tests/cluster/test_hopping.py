"""Nothing sticks to a node: each request of a push or a pull may come to another one."""

from support import images
from support.nodes import Nodes

MIB = 1 << 20


def test_an_upload_hops_between_the_nodes_at_each_request(nodes: Nodes, repository: str) -> None:
    pieces = [bytes([number]) * (number * 300_001) for number in range(1, 6)]
    content = b"".join(pieces)
    clients = [node.client() for node in nodes.nodes]
    place = clients[0].post(f"/v2/{repository}/blobs/uploads/").headers["location"]
    for number, piece in enumerate(pieces):
        assert clients[(number + 1) % 2].patch(place, body=piece).status == 202
        assert clients[number % 2].get(place).status == 204
    done = clients[1].put(f"{place}?digest={images.sha256(content)}")
    assert done.status == 201, done
    for client in clients:
        assert client.get(f"/v2/{repository}/blobs/{images.sha256(content)}").content == content


def test_a_pull_that_starts_after_a_push_was_answered_sees_it_on_every_node(nodes: Nodes, repository: str) -> None:
    clients = [node.client() for node in nodes.nodes]
    images.push(clients[0], repository, images.simple_image(1), "moves")
    for number in range(20):
        image = images.simple_image(100 + number)
        images.push(clients[number % 2], repository, image, "moves")
        for client in clients:
            found = client.get(f"/v2/{repository}/manifests/moves", headers={"Accept": "*/*"})
            assert found.content == image.manifest.content


def test_a_deletion_is_seen_on_every_node_at_once(nodes: Nodes, repository: str) -> None:
    clients = [node.client() for node in nodes.nodes]
    digest = images.push(clients[0], repository, images.simple_image(2), "goes")
    assert clients[0].delete(f"/v2/{repository}/manifests/{digest}").status == 202
    assert [client.get(f"/v2/{repository}/manifests/goes").status for client in clients] == [404, 404]


def test_requests_come_to_both_nodes(nodes: Nodes, repository: str) -> None:
    for number in range(3):
        images.push(nodes.client(), repository, images.simple_image(200 + number, layers=4), f"v{number}")
    assert len(nodes.balancer.picked) == 2
    assert min(nodes.balancer.picked.values()) > 5
