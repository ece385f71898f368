"""Seeds of what tests draw: another set for each ATTNVIZ_TEST_SEED, so that nothing holds for one draw alone.

``make test-seeds`` runs the tests that draw at three of them.
"""

import os

SHIFT = int(os.environ.get("ATTNVIZ_TEST_SEED", "0"))


def seed_for_run(seed: int) -> int:
    """A seed in the set that is asked for; itself in the set 0."""
    return seed + 1_000_003 * SHIFT
