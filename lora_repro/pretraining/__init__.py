"""How the embedded backbones were made: text -> vocabulary -> blocks -> masked or causal language modelling."""
