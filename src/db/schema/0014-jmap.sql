-- A thread's emails are found by their thread. On PostgreSQL no other lookup may take this index: see 0009.

--sqlite CREATE INDEX email_thread ON email (account, thread);
--postgresql CREATE INDEX email_thread ON email ((account + 0), thread);
