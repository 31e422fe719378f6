"""aiosmtpd: an SMTP server that keeps what it takes, one file per copy, and fails as its recipients ask it to.

The recipient's local part is the script: what it begins with says what happens, a number behind it how often before
all is well (`tempfail-2@` refuses twice); without a number it happens every time.

tempfail        450 to RCPT                     reject          550 to RCPT
tempdata        451 to the final dot            rejectdata      554 to the final dot
cutrcpt         closes at RCPT                  cutdata         closes in the midst of the message
cutafterdot     takes the message, then closes without an answer
lostafterdot    reads the whole message, takes nothing, closes without an answer
slow            takes the message, then never answers
closing         421 to RCPT, then closes        chatty          answers RCPT with many lines

What is taken for a recipient becomes the file DIR/RECIPIENT+NUMBER. With --sent it is laid into that Maildir as well.
"""

import argparse
import asyncio
import collections
import logging
import os

import owner
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

class Scripts:
    """Which scripts were played how often."""

    def __init__(self):
        self.played = collections.Counter()

    def plays(self, name, recipient):
        local = recipient.rsplit("@", 1)[0]
        script, _, times = local.partition("-")
        if script != name:
            return False
        self.played[name, recipient] += 1
        return not times or self.played[name, recipient] <= int(times)


class Sink:
    """Takes messages, as its recipients allow."""

    def __init__(self, directory, sent, scripts):
        self.directory, self.sent, self.scripts, self.taken = directory, sent, scripts, 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.scripts.plays("tempfail", address):
            return "450 4.2.1 come back later"
        if self.scripts.plays("reject", address):
            return "550 5.1.1 nobody of that name"
        if self.scripts.plays("cutrcpt", address):
            server.transport.close()
        if self.scripts.plays("closing", address):
            await server.push("421 4.3.2 going down")
            server.transport.close()
        if self.scripts.plays("chatty", address):
            for line in range(5):
                await server.push(f"250-2.1.5 line {line}")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 welcome"

    async def handle_DATA(self, server, session, envelope):
        def asks(name):
            return any([self.scripts.plays(name, recipient) for recipient in envelope.rcpt_tos])

        if asks("tempdata"):
            return "451 4.3.0 not now"
        if asks("rejectdata"):
            return "554 5.6.0 not this"
        if asks("lostafterdot"):
            server.transport.close()
            return "250 never heard"
        self.take(envelope)
        if asks("cutafterdot"):
            server.transport.close()
        if asks("slow"):
            await asyncio.sleep(3600)
        return "250 2.0.0 taken"

    def take(self, envelope):
        for recipient in envelope.rcpt_tos:
            self.taken += 1
            self.write(self.directory, f"{recipient}+{self.taken}", envelope.content)
        if self.sent is not None:
            os.makedirs(os.path.join(self.sent, "new"), exist_ok=True)
            self.write(os.path.join(self.sent, "new"), f"{self.taken}.{os.getpid()}.sink", envelope.content)

    @staticmethod
    def write(directory, name, content):
        """Under its name only when it is whole."""
        hidden = os.path.join(directory, "." + name)
        with open(hidden, "wb") as file:
            file.write(content)
        os.rename(hidden, os.path.join(directory, name))


class Cutting(SMTP):
    """Closes in the midst of a message, if a recipient asks for it."""

    async def smtp_DATA(self, arg):
        sink = self.event_handler
        if self.envelope and any([sink.scripts.plays("cutdata", to) for to in self.envelope.rcpt_tos]):
            await self.push("354 go on")
            await self._reader.readuntil(b"\r\n")
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--certificate")
    parser.add_argument("--tls", choices=["starttls", "at-once"])
    parser.add_argument("--sent")
    parser.add_argument("--size", type=int, default=64 * 1024 * 1024)
    asked = parser.parse_args()
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    tls = owner.context(asked.certificate)
    sink = Sink(asked.directory, asked.sent, Scripts())

    def authenticate(server, session, envelope, mechanism, data):
        known = isinstance(data, LoginPassword) and data.login.decode() == asked.user
        return AuthResult(success=known and data.password.decode() == asked.password, handled=False)

    def connected():
        return Cutting(
            sink, hostname="sink.example.org", data_size_limit=asked.size, enable_SMTPUTF8=True, loop=loop,
            tls_context=tls if asked.tls == "starttls" else None, require_starttls=asked.tls == "starttls",
            authenticator=authenticate, auth_required=asked.user is not None,
            auth_require_tls=False)

    loop = asyncio.get_running_loop()
    await owner.serve(await loop.create_server(connected, "127.0.0.1", 0, ssl=tls if asked.tls == "at-once" else None))
    os._exit(0)


asyncio.run(main())
