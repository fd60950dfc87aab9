"""Work that needs several runs or models: the Lab's sessions, comparisons, chains, audits, purges and studies."""
