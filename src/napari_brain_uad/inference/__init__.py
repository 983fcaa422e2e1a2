"""How a fitted network scores: in one pass, as the mean of several, by restoration, by denoising."""
