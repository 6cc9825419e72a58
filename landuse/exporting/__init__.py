"""From a trained model to files for other programs: each compared with Keras when it is made."""
