"""The trust room: who may say what this device does, and with which secrets it speaks."""
