/* An ALSA capture device that takes one rate and one number of channels only, as real sound cards do, and that can be
 * pulled out. Its sound comes from a FIFO; when the FIFO's writer closes it, the card is gone.
 * (ALSA's own `file` plugin does not serve: a read that finds less than it asked for in a FIFO is filled up with
 * what was read before.) tests/real/alsa_microphone.py compiles it. */
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <fcntl.h>
#include <sys/ioctl.h>

struct card {
    snd_pcm_ioplug_t io;
    snd_pcm_uframes_t taken;  /* frames read since it was prepared */
};

static size_t frame_bytes(snd_pcm_ioplug_t *io) { return 2 * io->channels; }

static int is_gone(snd_pcm_ioplug_t *io)
{
    struct pollfd writer = {.fd = io->poll_fd, .events = POLLIN};
    return poll(&writer, 1, 0) > 0 && (writer.revents & POLLHUP);
}

static int disconnect(snd_pcm_ioplug_t *io)
{
    snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED);
    return -ENODEV;
}

static int on_prepare(snd_pcm_ioplug_t *io)
{
    char stale[4096];
    if (is_gone(io))
        return disconnect(io);
    while (read(io->poll_fd, stale, sizeof stale) > 0)
        ;
    ((struct card *)io->private_data)->taken = 0;
    return 0;
}

static int on_start(snd_pcm_ioplug_t *io) { return is_gone(io) ? disconnect(io) : 0; }
static int on_stop(snd_pcm_ioplug_t *io) { return 0; }

static snd_pcm_sframes_t on_pointer(snd_pcm_ioplug_t *io)
{
    struct card *card = io->private_data;
    int waiting_bytes = 0;
    if (is_gone(io))
        return disconnect(io);
    ioctl(io->poll_fd, FIONREAD, &waiting_bytes);
    snd_pcm_uframes_t waiting = waiting_bytes / frame_bytes(io);
    if (waiting >= io->buffer_size)
        return -EPIPE;  /* nobody read in time: an overrun */
    return (card->taken + waiting) % io->buffer_size;
}

static snd_pcm_sframes_t on_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                     snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
    struct card *card = io->private_data;
    char *to = (char *)areas->addr + (areas->first + areas->step * offset) / 8;
    ssize_t got = read(io->poll_fd, to, size * frame_bytes(io));
    if (got < 0)
        return -errno;
    card->taken += got / frame_bytes(io);
    return got / frame_bytes(io);
}

/* What the kernel answers for a card that was pulled out. */
static int on_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *polled, unsigned int count, unsigned short *revents)
{
    *revents = polled->revents & POLLHUP ? POLLERR | POLLNVAL : polled->revents;
    return 0;
}

static int on_close(snd_pcm_ioplug_t *io)
{
    close(io->poll_fd);
    free(io->private_data);
    return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
    .prepare = on_prepare, .start = on_start, .stop = on_stop,
    .pointer = on_pointer, .transfer = on_transfer, .poll_revents = on_poll_revents,
    .close = on_close,
};

SND_PCM_PLUGIN_DEFINE_FUNC(fifo_microphone)
{
    const char *fifo = NULL, *id;
    long rate = 48000, channels = 2;
    snd_config_iterator_t i, next;
    snd_config_for_each(i, next, conf) {
        snd_config_t *field = snd_config_iterator_entry(i);
        if (snd_config_get_id(field, &id) < 0)
            continue;
        if (!strcmp(id, "fifo"))
            snd_config_get_string(field, &fifo);
        else if (!strcmp(id, "rate"))
            snd_config_get_integer(field, &rate);
        else if (!strcmp(id, "channels"))
            snd_config_get_integer(field, &channels);
    }
    if (!fifo)
        return -EINVAL;
    if (stream != SND_PCM_STREAM_CAPTURE)
        return -ENODEV;
    int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -ENODEV;
    struct card *card = calloc(1, sizeof *card);
    card->io = (snd_pcm_ioplug_t){
        .version = SND_PCM_IOPLUG_VERSION, .name = "a card of one form", .callback = &callbacks,
        .private_data = card, .poll_fd = fd, .poll_events = POLLIN,
    };
    int error = snd_pcm_ioplug_create(&card->io, name, stream, mode);
    if (error < 0) {
        close(fd);
        free(card);
        return error;
    }
    const unsigned access[] = {SND_PCM_ACCESS_RW_INTERLEAVED}, format[] = {SND_PCM_FORMAT_S16_LE};
    snd_pcm_ioplug_set_param_list(&card->io, SND_PCM_IOPLUG_HW_ACCESS, 1, access);
    snd_pcm_ioplug_set_param_list(&card->io, SND_PCM_IOPLUG_HW_FORMAT, 1, format);
    snd_pcm_ioplug_set_param_minmax(&card->io, SND_PCM_IOPLUG_HW_CHANNELS, channels, channels);
    snd_pcm_ioplug_set_param_minmax(&card->io, SND_PCM_IOPLUG_HW_RATE, rate, rate);
    /* The writer comes every 20 ms, not with every sample: a buffer of less than 200 ms would overrun all the time. */
    long second_bytes = rate * channels * 2;
    snd_pcm_ioplug_set_param_minmax(&card->io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, second_bytes / 100, second_bytes / 10);
    snd_pcm_ioplug_set_param_minmax(&card->io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, second_bytes / 5, second_bytes / 2);
    snd_pcm_ioplug_set_param_minmax(&card->io, SND_PCM_IOPLUG_HW_PERIODS, 2, 64);
    *pcmp = card->io.pcm;
    return 0;
}
SND_PCM_PLUGIN_SYMBOL(fifo_microphone);
