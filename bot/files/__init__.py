"""Files: what comes with a question is read for the model, what is too long for a chat goes out as one."""
