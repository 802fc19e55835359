"""The ways a message leaves the house: mail, web hooks, a folder for development; none knows the database.

`message` says what is handed to each and what it answers, `mail` makes the mail, `smtp`, `webhook` and `file_outbox` deliver,
`reports` reads what comes back, `pacing` tells when to try and when to leave the other side alone.
"""
