"""Labels: what a message is called where there is little room, and where there is more of it."""

from realtime_lab.history.copies import Copy, Message
from realtime_lab.history.labels import Names, full_name


def test_the_usual_event_is_that_of_most_messages_however_often_one_of_them_is_added() -> None:
    names, news = Names(), Message("alice", "a news", 1, "", 5)
    assert names.usual == ""
    for number in (1, 2):
        names.add(Message("alice", "chat", number, "", number))
    for _ in range(5):
        names.add(news)
    assert names.usual == "chat"
    names.add(Message("alice", "a news", 2, "", 6))
    assert names.usual == "a news"  # of as many the first one


def test_an_event_without_a_name_is_a_message() -> None:
    assert full_name(Copy(Message("alice", "", 1, "", 7), "alice", "server", "upstream", 8)) == "message #1 from alice to server"
