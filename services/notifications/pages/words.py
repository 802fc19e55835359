"""What pages say, in German and English; what customers agree to there is kept as they read it."""

from typing import NamedTuple

LANGUAGES = ("de", "en")


class Notice(NamedTuple):
    """A page that tells something; `text` may name what it is about."""

    title: str
    text: str


class Words(NamedTuple):
    """Everything that pages say in a language; `{what}` are messages of a purpose, `{channel}` how they come."""

    channels: dict[str, str]
    other_channel: str
    purposes: dict[str, str]
    explained: dict[str, str]
    agree: str
    refuse: str
    refuse_all: str
    unsubscribe: Notice
    unsubscribe_button: str
    unsubscribed: Notice
    confirm: Notice
    confirm_button: str
    confirmed: Notice
    late: Notice
    unknown: Notice
    erased: Notice
    busy: Notice
    preferences: Notice
    save: str
    nothing: str
    saved: str
    waits: str
    to_preferences: str
    to_shop: str


GERMAN = Words(
    channels={"email": "per E-Mail", "sms": "per SMS", "whatsapp": "per WhatsApp", "chat": "im Chat"},
    other_channel="über {}",
    purposes={"offers": "Angebote und Gutscheine", "account": "Nachrichten zum Punktekonto"},
    explained={
        "offers": "zum Geburtstag, zu Weihnachten und wenn es etwas Besonderes gibt",
        "account": "neue Punkte, Ihre Stufe und Belohnungen für Empfehlungen",
    },
    agree="Ja, ich möchte {what} {channel} erhalten.",
    refuse="Ich möchte {what} {channel} nicht mehr erhalten.",
    refuse_all="Ich möchte nichts davon mehr erhalten.",
    unsubscribe=Notice("Abbestellen?", "Sie erhalten dann keine {what} {channel} mehr."),
    unsubscribe_button="Ja, abbestellen",
    unsubscribed=Notice("Abbestellt", "Sie erhalten keine {what} {channel} mehr. Das gilt ab sofort."),
    confirm=Notice("Bitte bestätigen", "Ja, ich möchte {what} {channel} erhalten."),
    confirm_button="Ja, bestätigen",
    confirmed=Notice("Vielen Dank!", "Sie erhalten ab jetzt {what} {channel}. Abbestellen können Sie jederzeit."),
    late=Notice(
        "Dieser Link gilt nicht mehr",
        "Er ist abgelaufen, oder Sie haben sich inzwischen anders entschieden. Melden Sie sich einfach noch einmal an.",
    ),
    unknown=Notice(
        "Diesen Link kennen wir nicht",
        "Vielleicht ist er nicht vollständig: Bitte öffnen Sie ihn noch einmal aus der Nachricht heraus.",
    ),
    erased=Notice("Hier ist nichts mehr", "Ihre Daten wurden gelöscht. Sie erhalten keine Nachrichten von uns."),
    busy=Notice(
        "Einen Augenblick bitte", "Das waren viele Anfragen auf einmal. Versuchen Sie es in einer Minute noch einmal."
    ),
    preferences=Notice(
        "Ihre Nachrichten",
        "Wählen Sie, was Sie von uns erhalten möchten. Was wir Ihnen sagen müssen, etwa dass Punkte verfallen, schicken wir immer.",
    ),
    save="Speichern",
    nothing="Nichts davon",
    saved="Gespeichert.",
    waits="Bitte bestätigen Sie das noch: Wir schicken Ihnen dafür eine Nachricht.",
    to_preferences="Nachrichten einstellen",
    to_shop="Zum Shop",
)

ENGLISH = Words(
    channels={"email": "by e-mail", "sms": "by text message", "whatsapp": "on WhatsApp", "chat": "in chat"},
    other_channel="via {}",
    purposes={"offers": "offers and coupons", "account": "points account news"},
    explained={
        "offers": "for your birthday, for Christmas and when there is something special",
        "account": "new points, your tier and rewards for recommending us",
    },
    agree="Yes, I would like to receive {what} {channel}.",
    refuse="I no longer want to receive {what} {channel}.",
    refuse_all="I no longer want to receive any of it.",
    unsubscribe=Notice("Unsubscribe?", "You will no longer receive {what} {channel}."),
    unsubscribe_button="Yes, unsubscribe",
    unsubscribed=Notice("Unsubscribed", "You no longer receive {what} {channel}, as of now."),
    confirm=Notice("Please confirm", "Yes, I would like to receive {what} {channel}."),
    confirm_button="Yes, confirm",
    confirmed=Notice("Thank you!", "From now on you receive {what} {channel}. You can unsubscribe at any time."),
    late=Notice(
        "This link is no longer valid",
        "It has expired, or you have changed your mind since. Simply sign up once more.",
    ),
    unknown=Notice("We do not know this link", "It may be incomplete: please open it from the message once more."),
    erased=Notice("There is nothing here any more", "Your data was erased. You receive no messages from us."),
    busy=Notice("One moment, please", "These were many requests at once. Please try again in a minute."),
    preferences=Notice(
        "Your messages",
        "Choose what you would like to receive. What we have to tell you, such as points that expire, we always send.",
    ),
    save="Save",
    nothing="Nothing at all",
    saved="Saved.",
    waits="Please confirm this one: we are sending you a message for it.",
    to_preferences="Message settings",
    to_shop="To the shop",
)

WORDS = {"de": GERMAN, "en": ENGLISH}


def channel_words(words: Words, channel: str) -> str:
    return words.channels.get(channel) or words.other_channel.format(channel)


def filled(words: Words, sentence: str, channel: str, purpose: str) -> str:
    """Return a sentence about messages of a purpose on a channel."""
    return sentence.format(what=words.purposes[purpose], channel=channel_words(words, channel))
