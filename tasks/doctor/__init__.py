"""What ``manage.py doctor`` looks at: each part that the service stands on, and what to
do where one of them is not as it should be."""
