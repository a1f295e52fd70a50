"""What `make run` prints once Entrepot serves: where it is and what to type."""

import shlex
from pathlib import Path

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "data"

TEXT = """\
Entrepot serves.

  address      {scheme}://localhost:{port}
  data folder  {data}
  log          {log}

{about}

  {login}docker tag IMAGE localhost:{port}/demo/hello:v1
  docker push localhost:{port}/demo/hello:v1
  docker pull localhost:{port}/demo/hello:v1

  podman push --tls-verify=false IMAGE localhost:{port}/demo/hello:v1
  podman pull --tls-verify=false localhost:{port}/demo/hello:v1

  skopeo copy --dest-tls-verify=false oci-archive:FILE docker://localhost:{port}/demo/hello:v1
  skopeo copy --src-tls-verify=false docker://localhost:{port}/demo/hello:v1 oci-archive:FILE

Stop it with Ctrl+C, or from another terminal in this folder: make stop{moved}
"""
OPEN = "Push and pull, without a login; only this machine reaches it:"
SIGNED = "Sign in as admin, push, and pull, which needs no login:"
LOGIN = "docker login --username admin --password-stdin localhost:{port} < {file}\n  "
ELSEWHERE = "docker login --username admin localhost:{port}\n  "


def moved(data: Path) -> str:
    """Return what must follow a make command so that it means this data folder; empty for the usual one."""
    return "" if data == DEFAULT_DATA else f" DATA={shlex.quote(str(data))}"


def banner(port: int, data: Path, log: Path, *, scheme: str, is_open: bool) -> str:
    """Return the text for a server on this port with these files; what podman and skopeo are told is right for both schemes."""
    login, file = "", data / "admin-password"
    if not is_open:
        login = (LOGIN if file.exists() else ELSEWHERE).format(port=port, file=shlex.quote(str(file)))
    about = OPEN if is_open else SIGNED
    return TEXT.format(port=port, data=data, log=log, scheme=scheme, about=about, login=login, moved=moved(data))
