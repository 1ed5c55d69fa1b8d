"""Clean clips and photographs that are never trained on, because the foreign validation sets are made from them."""

from __future__ import annotations

# By source: the pieces of it. The first piece is scored, and all of them are held out.
SOURCES: dict[str, tuple[str, ...]] = {
    "davis_lady-running": ("davis_lady-running",),  # indoors, a moving camera
    "davis_car-shadow": ("davis_car-shadow",),  # a street
    "davis_kite-surf": ("davis_kite-surf",),  # water and spray
    "mdn_bug": ("mdn_bug",),  # black and white, close up; permissive
    "creative_pigeon": ("creative_pigeon_1",),  # almost static, a street
    "difrint_07": ("difrint_07_1", "difrint_07_3"),  # hand-held, a garden
    "propainter_skateboard": ("propainter_skateboard_1",),  # fast
    "momentum_city": ("momentum_city_1",),  # dark, from the air
    "reels_forest": ("reels_forest_1",),  # portrait, dusk
    "intel_person": ("intel_person_1",),  # static, indoors; permissive
    "lane_countryroad": ("lane_countryroad_1", "lane_countryroad_2", "lane_countryroad_b_1"),  # a dash camera
}
SCORED = tuple(pieces[0] for pieces in SOURCES.values())
PHOTOGRAPHS = tuple(  # every twelfth of the folder
    f"bsds500_test/{number}.jpg" for number in (15062, 103029, 108069, 130014, 147080, 168084, 189029, 207049)
)
HELD_OUT = {  # the names that a recipe may give
    "foreign": [piece for pieces in SOURCES.values() for piece in pieces],
    "foreign-pictures": list(PHOTOGRAPHS),
}
