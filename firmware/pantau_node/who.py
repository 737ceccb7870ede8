"""Who the node is, as the running node needs it; identity.py reads it from flash."""


class Identity:
    """Who this node is; never shows a key.

    node: its id; keys: {key id: 32 bytes}; key_id: the one that signs; user, password: the broker login; made_s: Unix
    seconds of the provisioning, or 0; tls_cert, tls_key: DER of the client certificate, or b""; psk: (identity, key) of
    TLS-PSK or None; rescue: the configuration of last resort, or None.
    """

    def __init__(self, node, generation, keys, key_id, user, password, made_s=0):
        self.node = node
        self.generation = generation
        self.keys = keys
        self.key_id = key_id
        self.user = user
        self.password = password
        self.made_s = made_s
        self.tls_cert = self.tls_key = b""
        self.psk = None
        self.rescue = None

    def __repr__(self):
        return "<Identity %s generation %d>" % (self.node, self.generation)
