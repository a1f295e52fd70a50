"""What the doctor says about an upload to ourselves by the public address."""

from typing import Final

import msgspec

from entrepot.base.findings import Finding, error, ok, warning
from entrepot.platform.http.probe import SIZE, Outcome
from entrepot.platform.http.proxies import Answer, proxy_of, remedy, unbuffered

_CHECK: Final = "public URL"
_ACCEPTED: Final = 202
_REFUSED: Final = 403
_UNPROVEN: Final = 401
_MB: Final = 1_000_000


class _Entry(msgspec.Struct):
    message: str


class _Errors(msgspec.Struct):
    errors: list[_Entry]


def judge(url: str, outcome: Outcome) -> Finding:
    """Judge the last step that was made: the upload itself, or an earlier one that failed."""
    answer = outcome.answer
    proxy = proxy_of(answer)
    if answer is None:
        return _broken(url, outcome)
    if answer.status != _ACCEPTED:
        if answer.is_ours:
            return _refused(url, answer)
        by = proxy or "something that is not the registry"
        told = f"{url} answered {answer.status} after {outcome.sent_bytes / _MB:.0f} MB of a body: {by} wrote that"
        return error(_CHECK, told, remedy(answer, proxy))
    speed = f"{SIZE // _MB} MB in one request through {proxy or url} took {outcome.took_s:.1f} s"
    if not outcome.streamed:
        told = f"{speed}, but nothing reached the registry before half of it was sent: bodies are stored on the way"
        return warning(_CHECK, told, unbuffered(proxy))
    return ok(_CHECK, speed)


def _broken(url: str, outcome: Outcome) -> Finding:
    if outcome.sent_bytes:
        told = f"{url} broke off after {outcome.sent_bytes / _MB:.0f} MB of {SIZE // _MB} in one request: {outcome.reason}"
        return error(_CHECK, told, remedy(None, ""))
    told = f"{url} cannot be reached: {outcome.reason}"
    return error(
        _CHECK, told, "look whether its name leads here, whether the proxy runs, and whether its certificate is trusted here"
    )


def _refused(url: str, answer: Answer) -> Finding:
    try:
        reason = msgspec.json.decode(answer.body, type=_Errors).errors[0].message
    except (msgspec.MsgspecError, IndexError):
        reason = f"status {answer.status}"
    told = f"the registry at {url} refused: {reason}"
    if answer.status == _REFUSED:
        advice = (
            "with --access open a registry answers only who reaches it directly: behind a proxy that says for whom it asks use "
            "--access accounts"
        )
        return error(_CHECK, told, advice)
    if answer.status == _UNPROVEN:
        return error(_CHECK, told, "give this command the settings and the key of the registry that serves there")
    return error(_CHECK, told, "look at its log")
