namespace Takt.Storage.Packs;

/// <summary>Where something was found.</summary>
readonly record struct PackHit(Pack Pack, PackEntry Entry)
{
    public byte[] Read() => Pack.Read(Entry);
}
