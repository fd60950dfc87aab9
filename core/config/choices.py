"""Allowed values of the settings that are a word, each with its meaning."""

from __future__ import annotations

TASKS = {
    "class": "class removal",
    "data": "data removal",
    "noise": "noisy labels",
    "indices": "chosen images",
}

PARTITIONS = {
    "iid": "images are dealt out at random, in equal numbers",
    "class": "each class is divided unevenly: shares from a Dirichlet distribution with α = 0.5",
    "shards": "images are sorted by class and cut into two shards a client, so that each has few classes",
}

SERVERS = {
    "images": "images of all clients, without labels: LAF moves every layer of the extractor",
    "representations": "what each image gives below the extractor's last layer: LAF moves that layer alone",
}

SCHEDULES = {
    "alternate": "a step on L_UE, then one on L_RA, for each pair of batches, as in the paper",
    "two-stage": "all steps on L_UE first, then as many on L_RA",
    "joint": "one step on the sum of both, at lr_RA",
}
STEPPED = {"both": "L_UE and L_RA", "ue": "L_UE alone", "ra": "L_RA alone"}
VAE_DATA = {
    "all": "h is fitted on all of D, the paper's stand-in for D_r",
    "remain": "h is fitted on D_r itself",
}
LEARNS = {
    "all": "all layers of the extractor, as in the paper",
    "last": "only its last layer, on stored features of the layers below; an approximation",
}
PRECISIONS = {
    "float32": "32-bit floats",
    "bf16": "forward and backward pass of the extractor in bfloat16",
    "auto": "bfloat16 where the processor multiplies in it, else 32-bit floats",
}
