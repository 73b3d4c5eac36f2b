"""A prediction without a browser: what its button does, what it accepts, and what is said beside the measurement."""

import pytest

from realtime_lab.errors import InvalidSetting
from realtime_lab.history.verdict import Leg, Verdict
from realtime_lab.widgets import predict

NOTHING = dict.fromkeys(("sent", "reordered", "in_flight", "refused", "finished", "begun"), ())
LEG = Leg("alice", "server", received=("#1", "#2", "#2"), lost=(("#4", "cut"), ("#3", "cut")), duplicated=("#2",), **NOTHING)


def write(guess, **texts):
    """What a learner does: fill in the fields, and press Commit."""
    for name, text in texts.items():
        guess._fields[name].value = text
    guess._button.click()


def problems(guess):
    return {name: problem.value for name, problem in guess._problems.items() if problem.value}


def test_a_committed_guess_is_shown_and_cannot_be_changed():
    guess = predict("How many?", arrived=None, lost=None)
    assert {name: field.description for name, field in guess._fields.items()} == {"arrived": "arrived", "lost": "lost"}
    write(guess, arrived="5", lost="#6 - #8")
    assert [field.disabled for field in guess._fields.values()] == [True, True]
    assert "arrived <b>5</b>" in guess._said.value and "lost <b>#6 #7 #8</b>" in guess._said.value and 'role="alert"' in guess._said.value
    write(guess, arrived="6")
    result = guess.compare(arrived=5, lost=["#8", "#7", "#6"], look="nowhere")
    assert result.right is True
    assert str(result) == (
        "arrived: predicted 5, measured 5, as predicted\n"
        "lost: predicted #6 #7 #8, measured #8 #7 #6, as predicted"  # which are lost has no order
    )


def test_a_wrong_guess_is_told_where_to_look():
    guess = predict("In which order?", order=None, arrived=None)
    write(guess, order="1 2 3", arrived="3")
    result = guess.compare(order=["#1", "#3", "#2"], arrived=3, look="the `ring`")
    assert result.right is False
    assert str(result) == (
        "order: predicted 1 2 3, measured #1 #3 #2, different\narrived: predicted 3, measured 3, as predicted\nLook at: the `ring`"
    )
    shown = result._repr_mimebundle_()
    assert shown["text/plain"] == str(result)
    assert "✕ different" in shown["text/html"] and "Look at: the <code>ring</code>" in shown["text/html"]


def test_what_cannot_be_read_is_said_at_its_field_and_nothing_is_lost():
    guess = predict("How many, and which?", arrived=None, lost=None)
    write(guess, arrived="5 of <them>", lost="none")
    assert list(problems(guess)) == ["arrived"]
    assert "5 of &lt;them&gt;" in problems(guess)["arrived"] and 'role="alert"' in problems(guess)["arrived"]
    assert {field.value for field in guess._fields.values()} == {"5 of <them>", "none"}
    assert not any(field.disabled for field in guess._fields.values())
    guess._fields["arrived"].value = ""
    assert problems(guess) == {}  # it was about another text
    write(guess)
    assert "Write your guess here" in problems(guess)["arrived"]
    write(guess, arrived="5")
    assert problems(guess) == {}
    assert guess.compare(arrived=5, lost=()).right is True


def test_without_a_guess_it_says_so_and_a_late_one_is_not_accepted():
    guess = predict("How many?", arrived=None)
    expected = "arrived: no prediction, measured 5\nYou made no prediction. A wrong guess is worth more than none.\nLook at: the crosses"
    result = guess.compare(arrived=5, look="the crosses")
    assert (str(result), result.right) == (expected, None)
    assert guess._fields["arrived"].disabled and "measured already" in guess._said.value
    write(guess, arrived="5")
    assert guess.compare(arrived=5, look="the crosses").right is None


def test_a_guess_that_was_written_but_not_committed_does_not_count_and_is_told_why():
    guess = predict("How many?", arrived=None)
    guess._fields["arrived"].value = "5"
    for _ in range(2):
        result = guess.compare(arrived=5)
        assert result.right is None
        assert str(result) == "arrived: no prediction, measured 5\nYou wrote a guess, but did not press Commit, so it does not count."


def test_the_quiet_form_is_committed_by_running_the_cell():
    guess = predict("How many, and which?", arrived=5, lost=["#6"], told="Acked")
    assert repr(guess) == "Predict. How many, and which?\narrived: 5\nlost: #6\ntold: Acked"
    assert set(guess._repr_mimebundle_()) == {"text/html", "text/plain"}
    assert guess.compare(arrived=5, lost=6, told="acked").right is True


def test_only_some_of_it_may_be_asked():
    guess = predict("How many, and which?", arrived=5, lost=None)
    assert repr(guess) == "Predict. How many, and which?\narrived: 5\nRun this cell to write your guess: lost"
    result = guess.compare(arrived=5, lost=["#6"], look="the crosses")
    assert str(result) == "arrived: predicted 5, measured 5, as predicted\nlost: no prediction, measured #6"
    assert result.right is True


def test_a_stored_notebook_shows_the_question_and_what_is_asked():
    bundle = predict("How many of `these`?", arrived=None)._repr_mimebundle_()
    assert bundle["text/plain"] == "Predict. How many of `these`?\nRun this cell to write your guess: arrived"
    assert "How many of <code>these</code>?" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_a_leg_says_what_was_lost_duplicated_and_in_which_order_as_far_as_it_was_asked():
    guess = predict("?", lost="#3 #4", duplicated=["#2"], order=[1, 2, 2], arrived=2)
    assert guess.compare(LEG, arrived=2).right is True
    assert predict("?", lost=[3, 4]).compare(LEG).right is True
    assert predict("?", lost="none").compare(LEG, lost=[]).right is True  # keywords come first


def test_a_verdict_has_an_order_only_if_it_has_one_leg():
    assert predict("?", lost=[4, 3], duplicated=2, order="1 2 2").compare(Verdict((LEG,))).right is True
    two = Verdict((LEG, LEG))
    assert predict("?", lost=[3, 4]).compare(two).right is True
    with pytest.raises(InvalidSetting, match=r"order: asked.*only one leg has an order: verdict.leg\(sender, receiver\)"):
        predict("?", lost=[3, 4], order=[]).compare(two)


@pytest.mark.parametrize(
    ("leg", "measured", "message"),
    [
        (None, {"arrived": 5}, "lost: asked by predict"),
        (None, {"arrived": 5, "lost": [], "order": []}, "order: measured, but predict.. asked for arrived, lost"),
        (LEG, {}, "arrived: asked by predict"),
    ],
)
def test_what_was_measured_is_what_was_asked_and_a_refused_call_changes_nothing(leg, measured, message):
    guess = predict("?", arrived=None, lost=None)
    with pytest.raises(InvalidSetting, match=message):
        guess.compare(leg, **measured)
    write(guess, arrived="5", lost="none")
    assert guess.compare(arrived=5, lost=[]).right is True


def test_a_leg_that_says_nothing_of_what_was_asked_is_refused():
    with pytest.raises(InvalidSetting, match=r"this Leg says lost, duplicated, order, but predict.. asked for arrived"):
        predict("?", arrived=5).compare(LEG, arrived=5)
    with pytest.raises(TypeError, match=r"a leg or a verdict.*this is int"):
        predict("?", lost=5).compare(5)


def test_bad_predictions_are_refused():
    with pytest.raises(TypeError, match=r"takes a question first: .* It was given int"):
        predict(5, arrived=None)
    with pytest.raises(InvalidSetting, match="needs something to predict"):
        predict("How many?")
    with pytest.raises(InvalidSetting, match="look cannot be predicted"):
        predict("How many?", look=None)
    with pytest.raises(TypeError, match="this is set"):
        predict("Which?", lost={"#1"})
    with pytest.raises(TypeError, match="this is object"):
        predict("Which?", lost=None).compare(lost=object())


def test_what_learners_write_cannot_break_the_page():
    guess = predict("<b>?</b>", told="<script>")
    shown = guess._repr_mimebundle_()["text/html"] + guess.compare(told="<i>", look="<u>")._repr_mimebundle_()["text/html"]
    assert not any(tag in shown for tag in ("<b>?", "<script", "<i>", "<u>"))
