"""The story's steps: each acts as people would; StoryFailed where edgetender breaks its word."""
