"""Figures: functions of tables that return an Altair chart and compute nothing.

One file per kind of figure. A function says which columns it reads; the numbers, intervals and
nulls in them were made elsewhere. Colours are those of Okabe and Ito (2008), readable without
colour vision; backgrounds, text and grid come from `inscape.charts.theme`, so that one
specification serves a light page, a dark page and print.
"""

from inscape.core.exports import export

export(__name__)
