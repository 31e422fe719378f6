UPDATE work.mail_uids SET keywords = '{work,To=20do}' WHERE uid = 3;
