"""devkafka"""
