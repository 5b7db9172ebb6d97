"""Neutral text: a plain description in which nothing happens, to stand behind or between what is
asked about.

It names no feeling, person or event, and is the same wherever it is put, so it carries nothing of
its own from one example to the next. About 400 tokens in a byte-level vocabulary.
"""

DESCRIPTION = (
    "The table in the next room is made of oak. It has four legs and one drawer. On the table "
    "there is a lamp with a white shade. The lamp stands on the left side. Next to the lamp there "
    "is a list of numbers. The first number is seven, the second is twelve, and the third is "
    "thirty. The floor is covered with grey tiles. Each tile measures twenty by twenty "
    "centimetres. The walls are painted in a light colour. There are two windows in the north wall "
    "and one window in the west wall. Each window has two panes of glass. The door is two metres "
    "high and ninety centimetres wide. It opens to the inside. Behind the door there is a shelf "
    "with five boards. The top board holds folders. The second board holds paper in two sizes. The "
    "third board holds envelopes. The fourth board is empty. The lowest board holds a box with "
    "cables. The ceiling is flat. The room is used on weekdays from eight to five. In the hall "
    "there is a plan of the building. The plan shows three floors. The first floor has six rooms, "
    "the second floor has eight rooms, and the third floor has four rooms. The stairs are at the "
    "east end. There are sixteen steps between one floor and the next. The building stands in a "
    "street with other buildings of the same height. The street runs from north to south. It has a "
    "pavement on both sides. The pavement is two metres wide. Every thirty metres there is a lamp "
    "post. The lamp posts are numbered. The numbers begin at the southern end. The street ends at "
    "a square. The square has the shape of a rectangle."
)
