"""How well a model classifies: answers, measures, pictures, reports."""
