UPDATE view.email_words SET pairs = '\x0000000000000001';
