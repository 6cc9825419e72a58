"""From raw pixels to class probabilities: networks, and what runs them."""
