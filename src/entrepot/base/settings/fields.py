"""Every setting with its unit, default and one sentence. They are read once and passed down as values, never a global."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta


def _expected(text: str, sentence: str, **bounds: Any) -> Meta:
    return Meta(description=sentence, extra={"expected": text}, **bounds)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the administrator may decide. Durations are in seconds, sizes in bytes."""

    data: Annotated[str, _expected("a folder", "Folder that holds database, blobs and uploads.", min_length=1)] = "entrepot-data"
    listen: Annotated[str, _expected("HOST:PORT", "Address to serve on.", pattern=r"^.+:[0-9]{1,5}$")] = "127.0.0.1:5000"
    access: Annotated[
        Literal["open", "accounts"],
        _expected(
            "open or accounts",
            "Who may do what: open lets everyone who reaches it do everything, accounts those who sign in what they are allowed.",
        ),
    ] = "accounts"
    anonymous: Annotated[
        Literal["pull", "none"],
        _expected("pull or none", "With accounts, what those may do who have not signed in: pull what is public, or nothing."),
    ] = "pull"
    found_organisations: Annotated[
        bool,
        _expected("true or false", "With accounts, whether an administrator's push makes an organisation that is not there."),
    ] = True
    signup: Annotated[
        Literal["open", "invite", "closed"],
        _expected(
            "open, invite or closed",
            "With accounts, who may make one: open everybody, invite whom a user invites, closed whom an administrator invites.",
        ),
    ] = "closed"
    smtp: Annotated[
        str,
        _expected(
            "smtp(s)://USER:PASSWORD@HOST:PORT",
            "Server that mail is handed to, with STARTTLS or, as smtps, TLS from the start; empty means that no mail is sent.",
        ),
    ] = ""
    mail_from: Annotated[str, _expected("an address", "Address that mail is sent from; needed with --smtp.")] = ""
    hub_name: Annotated[
        str, _expected("up to 60 characters", "What pages call this hub; empty means Entrepot.", max_length=60)
    ] = ""
    hub_logo: Annotated[
        str, _expected("a PNG, JPEG or WebP file", "Logo on every page, at most 256 KiB; empty means Entrepot's.")
    ] = ""
    accent: Annotated[
        str,
        _expected(
            "a colour like #23479d",
            "Colour of what can be clicked on pages, dark enough to be read; empty means Entrepot's blue.",
        ),
    ] = ""
    legal_notice: Annotated[
        str, _expected("a Markdown file", "Legal notice, shown at /legal; empty means that there is none.")
    ] = ""
    terms: Annotated[str, _expected("a Markdown file", "Terms of use, shown at /terms; empty means that there are none.")] = ""
    privacy: Annotated[
        str, _expected("a Markdown file", "What is done with personal data, shown at /privacy; empty means that nothing is said.")
    ] = ""
    limits: Annotated[
        Literal["hub-2020", "hub-2026", "open"],
        _expected(
            "hub-2020, hub-2026 or open",
            "With accounts, how much may be pulled in 6 hours: hub-2020 and hub-2026 are 100 by an address, and what its plan "
            "allows by an account.",
        ),
    ] = "hub-2020"
    limits_dry_run: Annotated[
        bool, _expected("true or false", "Refuse no pull beyond the limit, but log it and tell the client what would be left.")
    ] = False
    count_pulls: Annotated[
        bool,
        _expected("true or false", "Count how often each repository is pulled, and who pulled what in the last six hours."),
    ] = True
    default_plan: Annotated[
        str,
        _expected(
            "the name of a plan",
            "With accounts, the plan of users and organisations that were given none.",
            pattern=r"^[a-z0-9][a-z0-9-]{0,31}$",
        ),
    ] = "free"
    redis: Annotated[
        str,
        _expected(
            "redis://HOST:6379/0",
            "Valkey or Redis in which several nodes count pulls; empty means memory, which only one machine can share.",
            pattern=r"^(rediss?://.+)?$",
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        _expected(
            "CIDR,…", "With accounts, networks of the proxies in front, whose X-Forwarded-For says where a request comes from."
        ),
    ] = ""
    admin_password: Annotated[
        str,
        _expected(
            "a password",
            "Password of the first administrator, admin; empty means that one is made and written to DATA/admin-password.",
        ),
    ] = ""
    open_to_network: Annotated[
        bool, _expected("true or false", "Let open access listen beyond this machine: everyone there may change everything.")
    ] = False
    public_url: Annotated[
        str, _expected("http(s)://HOST[:PORT]", "Address under which clients know this registry.", pattern=r"^(https?://[^/]+)?$")
    ] = ""
    tls: Annotated[
        str, _expected("self-signed, or a PEM file", "Serve HTTPS with this certificate chain; empty means plain HTTP.")
    ] = ""
    tls_key: Annotated[
        str, _expected("a PEM file", "Private key of the certificate; empty means that it stands in the certificate's file.")
    ] = ""
    database: Annotated[
        str,
        _expected(
            "postgresql://USER:PASSWORD@HOST/NAME",
            "Database; empty means SQLite in the data folder. Through PgBouncer: add ?pooler=transaction.",
            pattern=r"^(postgresql://.+)?$",
        ),
    ] = ""
    storage: Annotated[
        str,
        _expected(
            "s3://BUCKET/PREFIX?endpoint=URL",
            "Bucket for blobs, of any store that speaks S3; empty means files in the data folder.",
        ),
    ] = ""
    workers: Annotated[int, _expected("a number from 0 to 64", "Web processes; 0 means one for each processor.", ge=0, le=64)] = 0
    jobs: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | Literal["none"],
        _expected(
            "a number from 1 to 64, or none", "Background jobs to run at a time; none means that serve runs no job process."
        ),
    ] = 4
    gc_grace: Annotated[
        int, _expected("seconds, at least 60", "How long a blob that no manifest names is safe after its last use.", ge=60)
    ] = 3600
    upload_lifetime: Annotated[
        int, _expected("seconds, at least 60", "How long an upload that nobody continues is kept.", ge=60)
    ] = 86_400
    uploads_per_address: Annotated[
        int,
        _expected(
            "a number, 0 for no limit",
            "How many uploads that went on within 15 minutes an address may have open; an IPv6 address counts by its /64.",
            ge=0,
            le=1_000_000,
        ),
    ] = 2000
    bodies_per_address: Annotated[
        int,
        _expected(
            "a number, 0 for no limit",
            "How many requests with a body clients of one address may be sending at a time, to all web processes together.",
            ge=0,
            le=1_000_000,
        ),
    ] = 1000
    min_free: Annotated[
        int,
        _expected("bytes, 0 for no limit", "Refuse pushes that would leave less free on the data folder's file system.", ge=0),
    ] = 500_000_000
    scrub_rate: Annotated[
        int,
        _expected(
            "bytes a second, 0 for never",
            "How fast the background check reads blobs; it reads each once a week.",
            ge=0,
        ),
    ] = 20_000_000
    sparse: Annotated[
        Literal["none", "indexes", "images"],
        _expected("none, indexes or images", "Accept an index whose images, or also an image whose layers, are not all here."),
    ] = "none"
    shutdown_delay: Annotated[
        int, _expected("seconds from 0 to 300", "Between failing /readyz and closing the port at a stop.", ge=0, le=300)
    ] = 1
    shutdown_limit: Annotated[
        int, _expected("seconds from 1 to 86400", "How long running transfers may still take at a stop.", ge=1, le=86_400)
    ] = 60
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _expected("debug, info, warning or error", "Least important lines to log.")
    ] = "info"
    log_format: Annotated[Literal["text", "json"], _expected("text or json", "Form of the log's lines.")] = "text"
    access_log: Annotated[bool, _expected("true or false", "Log every request; writes and refusals are always logged.")] = False
    secret_key_file: Annotated[
        str,
        _expected(
            "a file",
            "File with the key that seals stored secrets; empty means secret.key in the data folder, made at the first start.",
        ),
    ] = ""
    audit_keep: Annotated[
        int,
        _expected(
            "months, 0 for ever",
            "How many whole months rows of the audit log are kept; older ones are pruned, and the anchors of their chain stay.",
            ge=0,
            le=1200,
        ),
    ] = 24
    address_days: Annotated[
        int,
        _expected(
            "days, 0 for ever",
            "How long addresses are kept whole in the audit log; then their /24 or /48 is.",
            ge=0,
            le=36_500,
        ),
    ] = 90
    metrics_allow: Annotated[
        str, _expected("CIDR,…", "Networks beside this machine that may read /metrics, such as 10.1.0.0/16,fd00::/8.")
    ] = ""

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The address to listen on, an IPv6 one without its brackets."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


FIELDS: Final = {field.name: field for field in msgspec.structs.fields(Settings)}


def option(name: str) -> str:
    """Return the command-line spelling of a field."""
    return name.replace("_", "-")


def expected(name: str) -> str:
    """Say in words what values the setting takes."""
    return str((_meta(name).extra or {})["expected"])


def sentence(name: str) -> str:
    """Say in one sentence what the setting decides."""
    return _meta(name).description or ""


def _meta(name: str) -> Meta:
    meta: Meta = FIELDS[name].type.__metadata__[0]
    return meta
