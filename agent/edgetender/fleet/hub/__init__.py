"""A local stand-in for Azure IoT Hub: its device protocol over MQTT, for tests and demonstrations without Azure."""
