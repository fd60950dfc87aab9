"""Public datasets that are downloaded as files: MNIST and Fashion-MNIST, CIFAR-10 and SVHN."""
