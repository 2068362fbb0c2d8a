"""QQP's kind: do two questions ask for the same?"""

from lora_repro.tasks.embedded.draw import Draw
from lora_repro.tasks.embedded.events import another
from lora_repro.tasks.embedded.item import Item

_SKILLS = (
    "French", "chess", "the piano", "cooking", "yoga", "physics", "swimming", "painting", "golf", "grammar",
    "German", "tennis", "the violin", "writing", "boxing", "history", "sailing", "drawing", "football",
    "logic",
)  # fmt: skip
_THINGS = (
    "a laptop", "a bicycle", "a camera", "a sofa", "a phone", "a guitar", "a boat", "a tent", "a watch",
    "a car", "a clock", "a radio", "a mirror", "a lamp", "a truck", "a ring", "a bed", "a printer",
    "a fridge", "a drum",
)  # fmt: skip
_ANIMALS = (
    "a cat", "a dog", "a horse", "a parrot", "a rabbit", "a snake", "a goat", "a turtle", "a pony", "a duck",
    "a pig", "a monkey", "a sheep", "a mouse", "a fox", "a lion", "a bear", "a cow", "a frog", "a hen",
)  # fmt: skip
_CITIES = (
    "Rome", "Paris", "London", "Berlin", "Madrid", "Moscow", "Tokyo", "Delhi", "Cairo", "Boston", "Chicago",
    "Dublin", "Vienna", "Athens", "Lima", "Seoul",
)  # fmt: skip
_INTENTS = {
    # kind of slot: its values, then the intents, each with its phrasings
    "skill": (_SKILLS, (
        ("How can I learn {x}?", "What is the best way to learn {x}?", "How do I teach myself {x}?",
         "How should a beginner start with {x}?",
         "What helps most when one learns {x}?", "Can you tell me a good way to study {x}?"),
        ("How long does it take to master {x}?", "How many years do I need to be good at {x}?",
         "How soon can one become an expert in {x}?", "How much time does mastering {x} take?",
         "After how many months is one really good at {x}?", "Is it quick or slow to become skilled in {x}?"),
        ("Why do people like {x}?", "What makes {x} so popular?", "Why is {x} loved by so many people?",
         "What is the reason that {x} has so many fans?",
         "Why would anybody enjoy {x}?", "What do its many fans see in {x}?"),
    )),
    "thing": (_THINGS, (
        ("How much does {x} cost?", "What is the price of {x}?", "How much money do I need for {x}?",
         "What do shops ask for {x}?",
         "Is {x} expensive?", "What would I have to pay for {x}?"),
        ("How do I repair {x}?", "What is the best way to fix {x}?", "How can I mend {x} that is broken?",
         "Who can tell me how to get {x} working again?",
         "What can I do about {x} that is out of order?", "How is {x} put back into working order?"),
        ("Where can I sell {x}?", "Who would buy {x} from me?", "What is a good place to get rid of {x} for money?",
         "How do I find a buyer for {x}?",
         "Is there a market for {x} that I no longer want?", "Which site is best for selling {x}?"),
    )),
    "animal": (_ANIMALS, (
        ("What does {x} eat?", "What should I feed {x}?", "Which food is good for {x}?", "What is the diet of {x}?",
         "What do I give {x} when it is hungry?", "What kind of meals does {x} need?"),
        ("How long does {x} live?", "What is the life span of {x}?", "How old can {x} get?",
         "At what age does {x} die?",
         "How many years can I expect {x} to live?", "What age does {x} reach?"),
        ("How do I train {x}?", "Can I teach tricks to {x}?", "What is the best way to make {x} obey?",
         "How can I get {x} to listen to me?",
         "Is there a trick for teaching {x}?", "How is {x} taught to behave?"),
    )),
}  # fmt: skip

_TRIPS = (
    ("How do I get from {x} to {y}?", "What is the best way to travel to {y} from {x}?",
     "How can I reach {y} if I start in {x}?", "Which route leads from {x} to {y}?",
         "I am in {x}, how do I come to {y}?", "How does one go to {y} out of {x}?"),
    ("Is {x} bigger than {y}?", "Does {x} have more people than {y}?", "Is {y} smaller than {x}?",
     "Does {y} have fewer people than {x}?",
         "Is the population of {x} above that of {y}?", "Is the population of {y} below that of {x}?"),
    ("Is life in {x} more expensive than in {y}?", "Does living in {x} cost more than in {y}?",
     "Is {y} cheaper to live in than {x}?", "Do I need less money in {y} than in {x}?",
         "Are prices in {x} above those in {y}?", "Are prices in {y} below those in {x}?"),
)  # fmt: skip


def make(draw: Draw, domain: str) -> Item:
    """A pair of questions; 1 where both ask for the same."""
    same = draw.below(2)
    kind = draw.of((*_INTENTS, "trip"))
    if kind == "trip":
        return _trip(draw, same)
    values, intents = _INTENTS[kind]
    value, intent = draw.of(values), draw.of(intents)
    first, second = draw.some(intent, 2)
    slot = value
    if not same:
        if draw.chance(50):
            slot = another(draw, values, value)
        else:
            second = draw.of(draw.of([other for other in intents if other is not intent]))
    asked = first.format(x=value), second.format(x=slot)
    return Item(f"{value} {intents.index(intent)}", asked, same)


def _trip(draw: Draw, same: int) -> Item:
    """Two cities: which is which decides, half of the time."""
    intent = draw.of(_TRIPS)
    first, second = draw.some(intent, 2)
    here, there = draw.some(_CITIES, 2)
    x, y = here, there
    if not same:
        if draw.chance(60):
            x, y = there, here
        else:
            second = draw.of(draw.of([other for other in _TRIPS if other is not intent]))
    texts = first.format(x=here, y=there), second.format(x=x, y=y)
    return Item(f"trip{_TRIPS.index(intent)} {' '.join(sorted((here, there)))}", texts, same)
