"""An embedded corpus in the shape of SQuAD v2: invented articles, made on the fly from tables and a seed."""
