"""The studies of the findings page by heading, with the figure of each chart and how to read its table."""

from __future__ import annotations

# (heading, studies, the figure of the chart, how the table is to be read)
PARTS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (
        "What does each part contribute?",
        ("ablation-digits", "ablation-mnist"),
        "average_gap",
        "Where doing nothing has the smaller average gap, this metric shows no need for unlearning. Then look at Train_f and JS as well.",
    ),
    (
        "Does it help to alternate the two losses?",
        ("schedule-digits", "schedule-mnist"),
        "average_gap",
        "*two-stage* takes as many steps of each loss as *alternate* does. *joint* takes one step on the sum of both losses, so half as many optimiser steps, at lr_RA.",
    ),
    (
        "How sensitive is LAF to its rates and temperature?",
        (
            "sensitivity-digits-class",
            "sensitivity-digits-data",
            "sensitivity-digits-noise",
            "sensitivity-mnist-class",
        ),
        "average_gap",
        "×1 is the value of the preset. The chart varies two settings, and a third keeps the value in its title. The table has the combinations with the smallest and the largest average gap.",
    ),
    (
        "How good are settings on other seeds than those they were chosen on?",
        ("search-digits",),
        "average_gap",
        "The settings are drawn at random from the whole space. The table has the eight best on the seeds on which they were chosen, and their values on other seeds, which the choice did not use. "
        "The best of many settings is partly luck, so its value on other seeds is the one to report.",
    ),
    (
        "Does the result depend on the class?",
        ("classes-digits",),
        "train_f",
        "Retrained models have a Train_f of 0 for every class.",
    ),
    (
        "What do depth and width of the extractor change?",
        ("extractor-digits", "extractor-mnist"),
        "average_gap",
        "Each net is compared with retrained models of the same net. The preset's rates were found for the plain net.",
    ),
    (
        "How many labels does the repair need?",
        ("supervision-digits", "supervision-mnist"),
        "average_gap",
        "The share is that of the labels of D_r which the repair reads; 0 is LAF without repair.",
    ),
    (
        "How stable are the results over seeds?",
        ("stability-digits", "stability-mnist"),
        "average_gap",
        "Retrained models also differ by seed; their spread is below each table.",
    ),
    (
        "Does a model survive several requests, one after another?",
        ("sequence-digits", "sequence-mnist"),
        "average_gap",
        "Train_f covers all classes forgotten so far. If the model recognised an earlier class again, Train_f would rise.",
    ),
    (
        "What is there to forget when one of several owners leaves?",
        ("clients-digits",),
        "js",
        "Originals and retrained models are trained by federated averaging. LAF has its preset for chosen images. If the clients have similar images, a "
        "retrained model recognises most images of the client who left. docs/federated.md has automatic settings and a server without images.",
    ),
    (
        "Where do forgotten images go, and who already knows?",
        ("destinations-digits",),
        "js",
        "Train_f is near 0 for all methods except doing nothing, so it cannot tell them apart. JS compares the answers to D_f with those of retrained models. "
        "The row *retrain* is one more retrained model. The original already knows these answers: without the answers to forget, its other answers are near "
        "those of retrained models. DELETE and MDA train D_f towards them. Lesson 9 shows this.",
    ),
    (
        "What does each stage cost?",
        ("cost-digits", "cost-mnist"),
        "seconds",
        "The table has the seconds of each stage. All methods except retraining need the original; its training is not counted.",
    ),
)
COLUMNS = ("train_r", "train_f", "test", "js", "average_gap", "seconds")
