namespace Takt.Runs;

/// <summary>Names for runs that nobody named: <c>calm-owl-417</c>.</summary>
/// <remarks>Of words that MLflow uses too, so that such a name is known as one that was made.</remarks>
public static class RunNames
{
    static readonly string[] Adjectives =
    [
        "able", "bold", "bouncy", "bright", "calm", "capable", "charming", "clean", "dazzling", "fearless", "funny", "gentle", "gifted", "honorable", "intelligent",
        "invincible", "legendary", "likeable", "loud", "luminous", "mysterious", "nimble", "orderly", "persistent", "placid", "polite", "popular", "powerful", "rare", "resilient",
        "serious", "silent", "sincere", "skillful", "smiling", "stately", "stylish", "upbeat", "valuable", "wise",
    ];

    static readonly string[] Nouns =
    [
        "ant", "bat", "bear", "bee", "bird", "carp", "cod", "colt", "crab", "crane", "crow", "deer", "dove", "duck", "eel", "elk", "finch",
        "fox", "frog", "goat", "goose", "hare", "hawk", "hound", "jay", "lark", "lynx", "mole", "moth", "owl", "perch", "seal",
        "shrew", "stork", "swan", "trout", "toad", "wolf", "wren",
    ];

    public static string Next() => $"{Adjectives[Random.Shared.Next(Adjectives.Length)]}-{Nouns[Random.Shared.Next(Nouns.Length)]}-{Random.Shared.Next(1000)}";
}
