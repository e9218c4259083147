using Takt.Models;

namespace Takt.ML.Python;

/// <summary>What every worker of a pool is started with.</summary>
/// <param name="Python">The interpreter.</param>
/// <param name="Load">The load message, JSON.</param>
sealed record PythonStart(string Python, string Folder, byte[] Load)
{
    /// <summary>The folder's last part: what is meant in messages.</summary>
    public string Name => Path.GetFileName(Folder.TrimEnd('/'));
}
