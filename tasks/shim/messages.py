"""Messages to a fork server over a Unix socket: a length, so many bytes, and
descriptors with them."""

import socket

HEADER_BYTES = 8  # of a message: the length of what follows
ORDER_FDS = 3  # that come with an order: the connection, and where its output goes
LEASE_LOST = 75  # a fork server's exit status: what ran was ended, nothing may follow


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One order and its descriptors. Raises EOFError where no more will come."""
    try:
        header, fds, _, _ = socket.recv_fds(connection, HEADER_BYTES, ORDER_FDS)
        header += read(connection, HEADER_BYTES - len(header))
        return read(connection, int.from_bytes(header)), fds
    except OSError as error:
        raise EOFError from error


def read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := connection.recv(count - len(data))):
            raise EOFError
        data += more
    return data


def send_order(connection: socket.socket, message: bytes, fds: list[int]) -> None:
    """Raises OSError where nobody has taken the whole of it."""
    data = len(message).to_bytes(HEADER_BYTES) + message
    sent = socket.send_fds(connection, [data], fds)
    # Never an empty rest: the receiver may have hung up once it had everything, and
    # the error of sending nothing would have the order given twice.
    if rest := data[sent:]:
        connection.sendall(rest)
