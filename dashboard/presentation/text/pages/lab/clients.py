"""The English of federated averaging in the Lab: who owns the images, and who leaves."""

from __future__ import annotations

LEAVES = "A client leaves"
MANY_OWNERS = "Many owners"
MANY_OWNERS_HELP = "Federated averaging: the original is trained by clients who keep their images"
CLIENTS = "Clients"
THEIR_IMAGES = "Their images"
PARTITIONS = {
    "iid": "Alike: equal numbers, at random",
    "class": "Uneven in their classes",
    "shards": "Few classes each",
}
LOCAL_EPOCHS = "Local epochs in a round"
SERVER_HOLDS = "The server holds"
SERVERS = {"images": "Images, without labels", "representations": "Representations only"}
ABOUT_SERVER = {
    "images": "LAF moves every layer of the extractor.",
    "representations": "Clients send what each image gives below the extractor's last layer. LAF moves that layer alone.",
}
ABOUT = (
    "Each client trains on its own images. The server averages their weights after each round. "
    "Every model of this page is trained so, the retrained ones too."
)
CLIENT = "Client"
NOTE = (
    "All images of the client are forgotten. Where clients are alike there is often nothing to forget, and the verdict says so. "
    "Automatic settings try one round without the client, to see whether averaging forgets its classes."
)
OWNERS = "Owners"


def client(number: int, size: int) -> str:
    """Return a client with the number of its images, such as "client 3 (144 images)"."""
    return f"client {number} ({size:,} image{'s' * (size > 1)})"


def server_holds(what: str) -> str:
    """Return what the server holds, for the line of facts."""
    return f" · server: {what}"
