using System.Collections;
using Takt.Data.Trees;
using Takt.Storage.Packs;

namespace Takt.Data;

/// <summary>Marks what is reached from the roots: one bit a record, so that ten million files need no table of ids.</summary>
sealed class LiveMarks(PackStore store)
{
    readonly Dictionary<Pack, BitArray> _marks = store.Packs().ToDictionary(pack => pack, pack => new BitArray(pack.Index.Count));

    /// <summary>Which records were followed as nodes of a tree: one that was marked as somebody's file only is not yet.</summary>
    readonly Dictionary<Pack, BitArray> _followed = store.Packs().ToDictionary(pack => pack, pack => new BitArray(pack.Index.Count));

    readonly List<string> _missing = [];

    public Dictionary<Pack, BitArray> Packs => _marks;

    public HashSet<Digest> Loose { get; } = [];

    /// <summary>What is missing is no fault: a remote has it.</summary>
    public bool Lenient { get; set; }

    /// <summary>What is referred to and can't be read: then nothing may be removed.</summary>
    public IReadOnlyList<string> Missing => _missing;

    /// <summary>A file that a row names; what the store does not know is somebody else's id.</summary>
    /// <remarks>Whatever its bytes are: trees are named by versions alone, and a file may well be a copy of a tree's node.</remarks>
    public async Task Named(Digest id, CancellationToken cancel)
    {
        if (Find(ContentId.From(id)) is not null) File(ContentId.From(id), id.ToString());
        else if (await store.Whole.Length(id, cancel) is not null) Loose.Add(id);
    }

    public void Tree(ContentId root, string of)
    {
        var todo = new Stack<ContentId>([root]);
        while (todo.TryPop(out var id))
        {
            if (Find(id) is not { } hit)
            {
                Miss(id, of);
                continue;
            }
            Mark(hit);
            if (!Set(_followed, hit)) continue;
            try
            {
                var node = hit.Pack.Read(hit.Pack.Index[hit.At]);
                if (!TreeNode.IsLeaf(node))
                    foreach (var child in TreeNode.Nodes(node, id).Nodes) todo.Push(child.Id);
                else foreach (var file in TreeNode.Files(node, id)) File(file.Id, of);
            }
            catch (TaktException e)
            {
                if (!Lenient) _missing.Add($"{of}: {e.Message}");
            }
        }
    }

    public void File(ContentId id, string of)
    {
        if (Find(id) is not { } hit)
        {
            if (store.Whole.Length(id.Digest).GetAwaiter().GetResult() is null) Miss(id, of);
            else Loose.Add(id.Digest);
            return;
        }
        if (!Mark(hit) || hit.Pack.Index[hit.At].Kind != RecordKind.ChunkList) return;
        try
        {
            var list = ChunkList.Parse(hit.Pack.Read(hit.Pack.Index[hit.At]), id);
            foreach (var item in list.Items)
            {
                File(item.Id, of);
                if (list.OfLists && Find(item.Id) is { } part)
                    foreach (var chunk in ChunkList.Parse(part.Pack.Read(part.Pack.Index[part.At]), item.Id).Items) File(chunk.Id, of);
            }
        }
        catch (TaktException e)
        {
            if (!Lenient) _missing.Add($"{of}: {e.Message}");
        }
    }

    void Miss(ContentId id, string of)
    {
        if (!Lenient && _missing.Count < 1000) _missing.Add($"{of}: {id} is not in the store");
    }

    bool Mark((Pack Pack, int At) hit) => Set(_marks, hit);

    static bool Set(Dictionary<Pack, BitArray> bits, (Pack Pack, int At) hit)
    {
        var marks = bits[hit.Pack];
        if (marks[hit.At]) return false;
        return marks[hit.At] = true;
    }

    (Pack Pack, int At)? Find(ContentId id)
    {
        foreach (var pack in store.Packs())
            if (_marks.ContainsKey(pack) && pack.Index.Find(id) is >= 0 and var at) return (pack, at);
        return null;
    }
}
