-- What only connections to mail servers have. Null where facts do not say: all of them before mail, so that rows which are
-- there are right as they are.

ALTER TABLE view.connections
    ADD COLUMN security            text CHECK (security IN ('tls', 'starttls', 'plain')),
    ADD COLUMN address             text,
    ADD COLUMN display_name        text,
    ADD COLUMN imap_connection_id  uuid,
    ADD COLUMN saves_sent          boolean;
COMMENT ON COLUMN view.connections.security IS 'How the way there is kept from the eyes of others; what is usual at the port, if absent.';
COMMENT ON COLUMN view.connections.address IS 'The address that e-mail is sent from.';
COMMENT ON COLUMN view.connections.display_name IS 'The name beside that address.';
COMMENT ON COLUMN view.connections.imap_connection_id IS 'Of an account to send through: the one whose mailbox keeps what was sent.';
COMMENT ON COLUMN view.connections.saves_sent IS 'Whether the server itself keeps a copy of what is sent through it; found out, if absent.';
