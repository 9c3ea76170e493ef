"""What is seen along the paths, and what a network says of it.

conditions                 what makes a thing hard to see
pictures, make_pictures    what the things show; the command that drew the further ones
answers                    what a model said of each thing in each condition, kept in a file
risk                       how often an answer is wrong, given exit and confidence
"""
