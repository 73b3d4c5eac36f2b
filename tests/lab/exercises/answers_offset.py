"""Answers to the exercise of lesson 07: one that is right, and the usual mistakes."""


def solution(arrived, finished):
    up_to = 0
    for each in arrived:
        if each not in finished:
            break
        up_to = each
    return up_to


def stub(arrived, finished):
    raise NotImplementedError("not written yet: which offset may be stored?")


def highest_finished(arrived, finished):
    """What the lesson's own client does by and by: an offset is taken for one message, not for everything up to it."""
    return max(finished)


def last_arrived(arrived, finished):
    """The page's words: "the offset of the last received event". Received is not finished."""
    return arrived[-1]


def lowest_finished(arrived, finished):
    """The opposite of the highest looks careful. Nothing says that all before it is done."""
    return min(finished)


def just_below_the_first_open(arrived, finished):
    """Another right one: nothing that arrived is between it and the first that is open."""
    return min((each for each in arrived if each not in finished), default=arrived[-1] + 1) - 1


def as_many_as_finished(arrived, finished):
    """Counts what is finished, and takes so many from the front: right only if they finish in order."""
    return arrived[len(finished) - 1]


def neighbours(arrived, finished):
    """The next id is thought to be one more."""
    up_to = arrived[0] - 1
    while up_to + 1 in finished:
        up_to += 1
    return up_to if up_to in arrived else 0


def counts_from_one(arrived, finished):
    """Ids are thought to begin at 1, as in the example."""
    up_to = 0
    while up_to + 1 in finished:
        up_to += 1
    return up_to


def all_or_nothing(arrived, finished):
    """Waits until no handler runs. With something always under way, that is never."""
    return arrived[-1] if set(arrived) == set(finished) else 0


def never(arrived, finished):
    """Nothing is lost if nothing is ever stored; everything comes again."""
    return 0


TWO = "bob is given #2 #4"
END = "his process ends, and starts again"
WRONG = {
    highest_finished: f"{TWO}; #4 finished; {END}",
    last_arrived: f"{TWO}; #2 finished; {END}",
    lowest_finished: f"{TWO}; #4 finished; {END}",
    as_many_as_finished: f"{TWO}; #4 finished; {END}",
    neighbours: f"{TWO}; #2 #4 finished, in this order; {END}",
    counts_from_one: f"bob is given #2; #2 finished; {END}",
    all_or_nothing: f"{TWO}; #2 finished; {END}",
    never: f"bob is given #2; #2 finished; {END}",
}
"""The case that breaks each of them."""
LOST = (highest_finished, last_arrived, lowest_finished, as_many_as_finished)
"""Those that lose something; with the others too much comes again."""
