"""The MobileNet family: architecture tables, Mult-Adds, parameters, published accuracy, Keras builders."""
