"""The English of federated averaging in the Lab: who owns the data, and who leaves."""

from __future__ import annotations

from dashboard.presentation.text.pages.nouns import counted

LEAVES = "A client leaves"
MANY_OWNERS = "Many owners"
MANY_OWNERS_HELP = "Federated averaging: the original is trained by clients who keep their data"
CLIENTS = "Clients"
THEIR_DATA = "Their data"
PARTITIONS = {
    "iid": "Alike: equal numbers, at random",
    "class": "Uneven in their classes",
    "shards": "Few classes each",
}
LOCAL_EPOCHS = "Local epochs in a round"
SERVER_HOLDS = "The server holds"
SERVERS = {"images": "The data, without labels", "representations": "Representations only"}
ABOUT_SERVER = {
    "images": "LAF moves every layer of the extractor.",
    "representations": "Clients send the output below the extractor's last layer, one for each sample. LAF moves that layer alone.",
}
ABOUT = (
    "Each client trains on its own data. The server averages their weights after each round. "
    "Every model of this page is trained so, the retrained ones too."
)
CLIENT = "Client"
NOTE = (
    "All data of the client are forgotten. Where clients are alike there is often nothing to forget, and the verdict says so. "
    "Automatic settings try one round without the client, to see whether averaging forgets its classes."
)
OWNERS = "Owners"


def client(number: int, size: int, kind: str) -> str:
    """Return a client with the number of its images, vectors or series, such as "client 3 (144 images)"."""
    return f"client {number} ({counted(size, kind)})"


def server_holds(what: str) -> str:
    """Return what the server holds, for the line of facts."""
    return f" · server: {what}"
