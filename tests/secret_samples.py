"""Fifty kinds of secret in the words in which programs write them, each with a value that can be searched for.

The values are made up here and put together at run time, so that no scanner for leaked secrets mistakes them for one.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class SecretSample:
    """`text`: a line with the secret in it; `secret`: the part of it that nobody may see."""

    kind: str
    text: str
    secret: str


def _value(number: int) -> str:
    return f"Canary{number:02}Zx9Kq7Lm3"


_PLAIN = (
    ("URL of PostgreSQL", "cannot reach postgresql://app:{}@db.internal:5432/shop"),
    ("URL of SQLAlchemy", "engine postgresql+asyncpg://app:{}@db/shop failed"),
    ("URL of MySQL", "mysql+pymysql://root:{}@10.0.0.4/shop"),
    ("URL of Redis without a user", "redis://:{}@cache:6379/0 refused"),
    ("URL of Redis with TLS", "rediss://default:{}@cache:6380"),
    ("URL of AMQP", "amqp://guest:{}@mq//"),
    ("URL of MongoDB with several hosts", "mongodb://u:{}@h1:27017,h2:27017/?replicaSet=rs"),
    ("URL of MongoDB by SRV", "mongodb+srv://u:{}@cluster0.example.net"),
    ("URL with a raw @ in the password", "postgresql://app:p@{}@db/x"),
    ("URL with a coded password", "postgresql://app:%40{}%2F@db/x"),
    ("URL of HTTP with basic authentication", "GET https://robot:{}@registry.example.com/v2/"),
    ("URL of git with a token as the user", "https://{}:x-oauth-basic@git.example.com/a.git"),
    ("URL with a token as its only user", "https://{}@git.example.com/a.git"),
    ("DSN of Sentry", "https://{}@o1.ingest.example.com/42"),
    ("URL of SMTP", "smtp://mailer:{}@mail:587"),
    ("URL of FTP", "ftp://u:{}@files/x"),
    ("DSN of libpq", "host=db user=app password={} dbname=shop"),
    ("DSN of libpq, quoted", "host=db password='{}' dbname=shop"),
    ("DSN of ODBC", "Driver=x;Server=y;UID=sa;PWD={};Database=z"),
    ("URL of JDBC", "jdbc:sqlserver://h:1433;user=sa;password={};encrypt=true"),
    ("storage key of Azure", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};"),
    ("shared access key of Azure", "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey={}"),
    ("query with a token", "GET /callback?token={} HTTP/1.1"),
    ("query with a code", "/oauth?code={}&state=1"),
    ("query with a signature", "https://s3/x?X-Amz-Signature={}&X-Amz-Date=1"),
    ("fragment with a token", "https://app/cb#access_token={}&type=bearer"),
    ("bearer token", "Authorization: Bearer {}"),
    ("basic authentication", "Authorization: Basic {}"),
    ("token of Django REST", "Authorization: Token {}"),
    ("API key as a header", "X-Api-Key: {}"),
    ("token as a header", "X-Auth-Token: {}"),
    ("token of Vault", "X-Vault-Token: {}"),
    ("cookie", "Cookie: sessionid={}; theme=dark"),
    ("cookie that is set", "Set-Cookie: csrftoken={}; Path=/"),
    ("variable with a password", "DB_PASSWORD={}"),
    ("variable with a secret", "DJANGO_SECRET_KEY={}"),
    ("variable of AWS", "AWS_SECRET_ACCESS_KEY={}"),
    ("passphrase", "ssh key passphrase={}"),
    ("credential", "credentials={}"),
    ("dictionary with a password", "{{'user': 'a', 'password': '{}'}}"),
    ("JSON with a client's secret", '{{"client_id": "a", "client_secret": "{}"}}'),
    ("keyword arguments", "connect(host='db', passwd='{}')"),
    ("option of a command line", "mysqldump --password={} shop"),
    ("option and value of a command line", "deploy --api-token {} --now"),
)


def _shaped() -> list[tuple[str, str, str]]:
    """Secrets that are known by their shape alone, whatever stands before them."""
    letters = "".join(chr(97 + number % 26) + str(number % 10) for number in range(30))
    coded = base64.urlsafe_b64encode(b'{"sub":"canary","admin":true}').decode().rstrip("=")
    return [
        ("token of GitHub", "pushed with {} just now", "gh" + "p_" + letters[:36]),
        ("token of GitLab", "runner {}", "gl" + "pat-" + letters[:20]),
        ("token of Slack", "posting as {}", "xo" + "xb-" + "1234567890-" + letters[:24]),
        ("key of Stripe", "charge with {}", "sk" + "_live_" + letters[:24]),
        ("key id of AWS", "signed by {}", "AK" + "IA" + letters[:16].upper()),
        ("key of Google", "maps key {}", "AI" + "za" + letters[:35]),
        ("JSON web token", "claims of {}", "ey" + "JhbGciOiJIUzI1NiJ9." + coded + "." + letters[:43]),
        ("private key", "-----BEGIN " + "PRIVATE KEY-----\\n{}\\n-----END " + "PRIVATE KEY-----", "MII" + letters * 3),
    ]


SAMPLES: tuple[SecretSample, ...] = (
    *(SecretSample(kind, text.format(_value(n)), _value(n)) for n, (kind, text) in enumerate(_PLAIN)),
    *(SecretSample(kind, text.format(secret), secret) for kind, text, secret in _shaped()),
)


def leaked(output: str) -> list[str]:
    """The kinds of secret that can be read in the output."""
    return [sample.kind for sample in SAMPLES if sample.secret in output]
