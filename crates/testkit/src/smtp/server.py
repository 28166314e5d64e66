"""A mail server that keeps what it is given: server.py none|starttls|tls PORT."""

import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP


class Keep:
    """Writes each mail into a file of its own."""

    count = 0

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        known = getattr(session.auth_data, "login", None)
        document = {
            "sender": envelope.mail_from,
            "receivers": envelope.rcpt_tos,
            "subject": mail["subject"],
            "text": mail.get_body(("plain",)).get_content(),
            "tls": session.ssl is not None or security == "tls",
            "login": known.decode() if known else None,
        }
        Keep.count += 1
        name = f"mail/{Keep.count:06}"
        with open(name + ".partial", "w", encoding="utf-8") as file:
            json.dump(document, file)
        os.rename(name + ".partial", name + ".json")
        return "250 taken"


def check(server, session, envelope, mechanism, login):
    good = (
        login.login.decode() == os.environ["SMTP_NAME"]
        and login.password.decode() == os.environ["SMTP_PASSWORD"]
    )
    # Not handled: the library says so to the client.
    return AuthResult(success=good, handled=False, auth_data=login)


security, port = sys.argv[1], int(sys.argv[2])
context = None
if security != "none":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("cert.pem", "key.pem")
options = {"decode_data": False}
if "SMTP_NAME" in os.environ:
    options.update(auth_required=True, authenticator=check)
    # Over TLS from the start, the library does not know that it is TLS.
    options["auth_require_tls"] = security == "starttls"


class Listens(Controller):
    def factory(self):
        if security == "starttls":
            return SMTP(self.handler, tls_context=context, require_starttls=True, **options)
        return SMTP(self.handler, **options)

    # It connects to itself to see whether it is there: at the port that it was really given.
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


server = Listens(
    Keep(),
    hostname="127.0.0.1",
    port=port,
    ssl_context=context if security == "tls" else None,
)
server.start()
print(server.port, flush=True)
sys.stdin.read()
server.stop()
