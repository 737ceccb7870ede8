"""What the codes of an MQTT 3.1.1 CONNACK mean (3.2.2.3). A file of its own: a node loads it when it was refused."""

REFUSED = {
    1: "protocol version not accepted",
    2: "client id rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorised",
}
