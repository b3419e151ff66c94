"""The Discord bot: slash commands and components over the same services as every other channel."""
