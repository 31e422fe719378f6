UPDATE view.email_words SET sequence = '\x0001';
