UPDATE view.activities SET trigrams_low = 1, trigrams_high = 2;
