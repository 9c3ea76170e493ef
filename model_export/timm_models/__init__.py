"""Models of timm as a row of layers: what exits can be put into. Only here is timm imported.

`create` makes a model by its name, `take_apart` makes a `row` of it, `shapes` says what its layers
give.
May import: errors, timm.
Face: `create.create_model`, `take_apart.row_of`, `shapes.shapes_of`.
"""
