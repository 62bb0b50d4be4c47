"""Counter-based randomness: known answers, and numbers that depend on their place alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tinynet.core import random

FULL = 2**32 - 1
PI = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
KNOWN = [  # the known-answer tests of Random123 for philox4x32-10: counter, key, words
    ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([FULL] * 4, (FULL, FULL), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (PI, (0xA4093822, 0x299F31D0), [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, words):
    counter = [np.array([c], np.uint64) for c in counter]
    assert [int(w[0]) for w in random.philox4x32(counter, key)] == words


def test_a_word_depends_on_its_place_and_not_on_how_many_are_drawn():
    many = random.random_bits(103, (1, 2, 3), like=np.zeros(1))
    assert np.array_equal(random.random_bits(50, (1, 2, 3), like=np.zeros(1)), many[:50])
    assert many.dtype == np.uint32


def test_bits_are_the_words_of_philox_in_order():
    bits = random.random_bits(4, (0, 0, 0), like=np.zeros(1))
    assert bits.tolist() == KNOWN[0][2]


def test_seed_step_and_draw_each_have_their_place_in_counter_and_key():
    counter = [np.array([c], np.uint64) for c in (0, 5, 7, 1)]
    words = [int(w[0]) for w in random.philox4x32(counter, (3, 2))]
    bits = random.random_bits(4, (3 + 2 * 2**32, 7 + 2**32, 5), like=np.zeros(1))
    assert bits.tolist() == words


def test_draws_count_up_and_a_step_counts_them_anew():
    random.seed(9)
    assert [random.next_draw(), random.next_draw()] == [(9, 0, 0), (9, 0, 1)]
    random.at_step(5)
    assert [random.next_draw(), random.next_draw()] == [(9, 5, 0), (9, 5, 1)]
    random.seed(9)
    assert random.next_draw() == (9, 0, 0)


def test_a_fork_has_its_own_streams_and_leaves_the_others_as_they_were():
    random.seed(1)
    random.next_draw()
    with random.fork(2):
        assert random.next_draw() == (2, 0, 0)
    assert random.next_draw() == (1, 0, 1)


def test_a_fork_gives_the_streams_back_after_an_error():
    random.seed(1)
    with pytest.raises(KeyError), random.fork(2):
        raise KeyError
    assert random.next_draw() == (1, 0, 0)


def in_turn(first, second):
    """Run two generators in two threads, a step of one and a step of the other in turn."""
    turns = [threading.Semaphore(1), threading.Semaphore(0)]

    def work(own, other, steps):
        found = []
        for _ in range(4):
            assert own.acquire(timeout=10)
            found.append(next(steps))
            other.release()
        return found

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(work, turns[0], turns[1], first)
        two = pool.submit(work, turns[1], turns[0], second)
        return one.result(), two.result()


def draws_of_a_fork(n):
    with random.fork(n):
        for _ in range(4):
            yield random.next_draw(), float(random.next_parameter().random())


def draws_of_a_seed(n):
    random.seed(n)
    for step in range(4):
        random.at_step(step)
        yield random.next_draw(), float(random.next_parameter().random())


@pytest.mark.parametrize("draws", [draws_of_a_fork, draws_of_a_seed])
def test_two_threads_draw_what_each_draws_alone(draws):
    random.seed(1)
    alone = list(draws(5)), list(draws(6))
    random.seed(1)
    assert in_turn(draws(5), draws(6)) == alone
    assert random.next_draw() == (1, 0, 0), "the streams of the process did not move"


def test_a_thread_without_a_seed_draws_from_the_streams_of_the_process():
    random.seed(3)
    random.next_draw()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(random.next_draw).result() == (3, 0, 1)


def test_a_path_always_leads_to_the_same_numbers():
    def numbers(*path, **seed):
        return random.generator(*path, **seed).integers(0, 2**31, 4).tolist()

    assert numbers("shuffle", 3) == numbers("shuffle", 3)
    others = [numbers("shuffle", 4), numbers("crop", 3), numbers(3, "shuffle"), numbers("shuffle")]
    assert all(other != numbers("shuffle", 3) for other in others)
    assert numbers("shuffle", 3, seed=1) != numbers("shuffle", 3)
    random.seed(1)
    assert numbers("shuffle", 3) == numbers("shuffle", 3, seed=1)


def test_parameters_draw_from_streams_of_their_own():
    random.seed(0)
    first, second = random.next_parameter(), random.next_parameter()
    assert first.random() != second.random()
    random.seed(0)
    random.next_draw()  # dropout has nothing to do with it
    assert random.next_parameter().random() == random.generator("parameter", 0).random()


@pytest.mark.parametrize("n", [-1, 2**64])
def test_a_seed_has_64_bits(n):
    with pytest.raises(ValueError, match=str(n)):
        random.seed(n)
