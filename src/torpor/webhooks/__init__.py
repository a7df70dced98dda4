"""
Webhooks: what workflow code has of them, how a request becomes a payload, and whom to believe.

``authoring.py`` is the face of a webhook in workflow code; ``receiving.py`` takes requests, whatever server they came
by; ``verifying.py`` says who has signed them. See docs/adr/0052.
"""
